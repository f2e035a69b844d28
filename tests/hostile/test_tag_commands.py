"""What a run's tags and record name is run only if the checked-out commit declares it."""


def test_an_honest_run_is_reproduced(firing_range, trained):
    run_id = trained()
    firing_range.look()

    done = firing_range.run("steps.reproduce", "--run_id", run_id)

    firing_range.check(done, exit_codes=(0,), says="Verdict: identical")
