import pickle

from transforms.errors import (
    GaitworksError,
    InputError,
    RefusalError,
    error_from_exit_code,
)


def test_message_names_where_what_expected_found_and_fix() -> None:
    error = InputError("wrong size", where="a.csv", expected=3, found=4, fix="remove one")
    assert str(error) == "a.csv: wrong size, expected 3, found 4; remove one"


def test_error_survives_the_trip_between_processes() -> None:
    error = InputError("wrong size", where="a.csv", fix="remove one")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is InputError
    assert str(copy) == str(error)
    assert copy.fix == "remove one"


def test_exit_code_of_a_process_gives_back_the_kind_of_error() -> None:
    assert type(error_from_exit_code(5, "no", {"fix": "ask"})) is RefusalError
    assert type(error_from_exit_code(3, "no", {})) is InputError
    assert type(error_from_exit_code(77, "no", {})) is GaitworksError
