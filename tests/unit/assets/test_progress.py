from assets.progress import LineProgress


def test_a_log_gets_remarks_and_the_end_of_a_stretch_but_not_every_step():
    lines = []
    progress = LineProgress(lines.append)
    progress.start("train", 4)
    progress.advance(0)
    progress.advance(2, "loss 0.7")
    progress.advance(0, "selection accuracy 0.714")
    progress.advance(2, "loss 0.5")
    progress.advance(0)
    assert lines == ["  train: 2/4 selection accuracy 0.714", "  train: 4/4 loss 0.5"]
