"""How an operator writes master keys down, and what is said of a mistake: never the key."""

import base64

import pytest
from pydantic import SecretStr

from shared.domain.masterkeys import MasterKey, master_keys
from shared.settings import BadEnvironment
from shared.store.settings import EncryptionSettings

GOOD = base64.b64encode(b"k" * 32).decode()
SHORT = base64.b64encode(b"SECRETSECRET").decode()


def test_the_first_of_several_comes_first() -> None:
    assert [key.name for key in master_keys(f"new:{GOOD}, old-1:{GOOD} ,")] == ["new", "old-1"]
    assert master_keys("") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD, "key 1 must be NAME:KEY"),
        (f"my key:{GOOD}", "key 1 must be NAME:KEY"),
        (f"a:{GOOD},b:{SHORT}", "key 2 (b) must be 32 bytes in base64"),
        ("a:SECRET!", "key 1 (a) must be 32 bytes in base64"),
        (f"a:{GOOD},a:{GOOD}", "two keys are called a"),
        (f"kms:arn:{GOOD}", "key 1 (kms) must be 32 bytes in base64"),
    ],
)
def test_a_mistake_is_named_and_no_key_is_shown(text: str, said: str) -> None:
    with pytest.raises(ValueError, match="key") as error:
        master_keys(text)
    assert said in str(error.value)
    assert "SECRET" not in str(error.value)
    assert SHORT not in str(error.value)
    with pytest.raises(BadEnvironment) as bad:
        EncryptionSettings(encryption_keys=SecretStr(text))
    assert str(bad.value).startswith("ASSAY_ENCRYPTION_KEYS: ")
    assert SHORT not in str(bad.value)


def test_a_key_is_not_in_its_representation() -> None:
    assert "kkk" not in repr(MasterKey("a", b"k" * 32))
