def replay_and_report(settings):
    raise NotImplementedError
