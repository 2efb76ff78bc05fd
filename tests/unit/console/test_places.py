import pytest

from services.console.places import Full, Places


def test_one_user_cannot_take_all_places_and_a_place_comes_back() -> None:
    places = Places(most=3, each=2)
    with places.held("alice"), places.held("alice"):
        with pytest.raises(Full) as refused, places.held("alice"):
            pass
        assert refused.value.of_user
        with places.held("bob"), pytest.raises(Full) as full, places.held("carol"):
            pass
        assert not full.value.of_user
    with places.held("alice"), places.held("alice"):
        pass


def test_a_block_that_fails_gives_its_place_back() -> None:
    places = Places(most=1, each=1)
    with pytest.raises(ValueError, match="inside"), places.held("alice"):
        raise ValueError("inside")
    with places.held("bob"):
        pass
