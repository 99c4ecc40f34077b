import numpy as np

from transforms.synth.draws import draw_normal, generator_for


def test_equal_keys_give_equal_streams() -> None:
    first = generator_for(7, "participant", "positive", 3).random(5)
    again = generator_for(7, "participant", "positive", 3).random(5)
    assert first.tolist() == again.tolist()


def test_any_other_key_or_seed_gives_another_stream() -> None:
    streams = {
        generator_for(seed, *key).random()
        for seed, key in ((7, ("a", 1)), (8, ("a", 1)), (7, ("a", 2)), (7, ("a1",)), (7, ("b", 1)))
    }
    assert len(streams) == 5


def test_normal_draws_stay_within_the_limit() -> None:
    rng = np.random.default_rng(0)
    values = [draw_normal(rng, 10.0, 2.0, limit=1.0) for _ in range(200)]
    assert min(values) == 8.0
    assert max(values) == 12.0
