"""What people are told, by e-mail or SMS: its words, its carriers, and that none is sent twice."""
