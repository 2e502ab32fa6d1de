"""API keys: secret, scoped, revocable."""

import pytest
from sqlalchemy import Engine, select

from service.contracts.api_keys import ApiKeys, Scope
from service.contracts.errors import Unauthorized
from service.contracts.tables import api_keys


def test_a_key_verifies_with_its_scopes_and_its_secret_is_not_stored(engine: Engine) -> None:
    keys = ApiKeys(engine)
    text = keys.create("site", [Scope.SUBMIT])

    key = keys.verify(text)

    assert key.allows(Scope.SUBMIT)
    assert not key.allows(Scope.READ)
    with engine.connect() as connection:
        stored = str(connection.execute(select(api_keys)).all())
    assert text.split("_", 2)[2] not in stored


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1] + "x", lambda t: "msd_" + t[4:10], lambda _: "", lambda _: "a_b_c"]
)
def test_anything_but_the_key_is_refused(engine: Engine, change: object) -> None:
    keys = ApiKeys(engine)
    text = keys.create("site", [Scope.READ])

    with pytest.raises(Unauthorized):
        keys.verify(change(text))  # type: ignore[operator]


def test_a_revoked_key_is_refused(engine: Engine) -> None:
    keys = ApiKeys(engine)
    text = keys.create("site", [Scope.READ])

    assert keys.revoke(keys.all()[0].id)
    with pytest.raises(Unauthorized):
        keys.verify(text)


def test_an_admin_key_allows_everything(engine: Engine) -> None:
    keys = ApiKeys(engine)

    assert all(keys.verify(keys.create("it", [Scope.ADMIN])).allows(scope) for scope in Scope)
