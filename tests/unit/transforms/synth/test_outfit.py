import numpy as np

from transforms.synth.outfit import contrast, draw_coat, draw_outfit

SURFACES = [(168, 180, 190), (118, 116, 112)]


def test_clothes_stand_out_from_the_room_however_shaded() -> None:
    for seed in range(40):
        outfit = draw_outfit(np.random.default_rng(seed), "F", SURFACES)
        assert contrast(outfit.top, SURFACES) >= 42
        assert contrast(outfit.bottom, SURFACES) >= 42


def test_contrast_sees_the_shaded_rim() -> None:
    # White is far from this grey, but white in the shade is not.
    assert contrast((240, 240, 240), [(200, 200, 200)]) < 25
    assert contrast((20, 20, 20), [(200, 200, 200)]) > 200


def test_clinicians_wear_a_long_coat_and_no_skirt() -> None:
    coats = [draw_coat(np.random.default_rng(seed), SURFACES) for seed in range(10)]
    assert all(coat.hem >= 0.5 and coat.legwear == "trousers" for coat in coats)


def test_men_wear_no_skirt() -> None:
    outfits = [draw_outfit(np.random.default_rng(seed), "M", SURFACES) for seed in range(60)]
    assert {outfit.legwear for outfit in outfits} == {"trousers", "shorts"}
