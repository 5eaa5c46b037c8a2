"""Signing in by another system: OpenID Connect, authorization code with PKCE (RFC 7636, OpenID Connect Core 1.0)."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from collections import OrderedDict
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gemel.access import Account, Gate, Role
from gemel.clock import SECOND, Clock
from gemel.connectors.reach import Reach
from gemel.errors import InvalidInput, NotFound, Overloaded, Unauthenticated
from gemel.folder import SignInSettings

__all__ = ["Oidc"]

WAITS_S = 600
MOST_WAITING = 1_000
TIMEOUT_S = 10.0
LARGEST = 1 << 20
LEEWAY_S = 60
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""What providers sign with; none that a client's own secret would do for."""


class _Provider(msgspec.Struct):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class _Answer(msgspec.Struct):
    id_token: str


class _Begun(msgspec.Struct, frozen=True):
    nonce: str
    verifier: str
    redirect: str
    at: int


class Oidc:
    """One provider. Thread-safe; `begin` and `finish` ask it over the network, for at most ten seconds."""

    def __init__(self, settings: SignInSettings, reach: Reach, gate: Gate, clock: Clock) -> None:
        self._settings = settings
        self._reach = reach
        self._gate = gate
        self._clock = clock
        self._lock = threading.Lock()
        self._begun: OrderedDict[str, _Begun] = OrderedDict()
        self._provider: _Provider | None = None

    @property
    def name(self) -> str:
        """What the button says; empty: nobody signs in so."""
        return self._settings.name if self._settings.issuer else ""

    def begin(self, redirect: str) -> tuple[str, str]:
        """Where to send the browser, and the state that it must bring back. Raises NotFound, Overloaded."""
        if not self._settings.issuer:
            raise NotFound("nobody signs in by another system here; the setting sign_in names it")
        provider = self._found()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        now = self._clock.now()
        with self._lock:
            while self._begun and (
                len(self._begun) >= MOST_WAITING or next(iter(self._begun.values())).at < now - WAITS_S * SECOND
            ):
                self._begun.popitem(last=False)
            self._begun[state] = _Begun(nonce, verifier, redirect, now)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect,
            "scope": " ".join(self._settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        joined = "&" if urlsplit(provider.authorization_endpoint).query else "?"
        return f"{provider.authorization_endpoint}{joined}{urlencode(asked)}", state

    def finish(self, state: str, code: str) -> Account:
        """Who came back with this code. Raises Unauthenticated with what did not hold, Conflict, Overloaded."""
        with self._lock:
            begun = self._begun.pop(state, None)
        if begun is None or begun.at < self._clock.now() - WAITS_S * SECOND:
            raise Unauthenticated("this sign-in was not begun here, or too long ago; begin again")
        provider = self._found()
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": begun.redirect,
            "client_id": self._settings.client_id,
            "code_verifier": begun.verifier,
        }
        own = None
        if (held := self._settings.client_secret) is not None:  # RFC 6749, 2.3.1
            own = httpx.BasicAuth(quote(self._settings.client_id, safe=""), quote(self._reach.secret(held), safe=""))
        answer = self._asked("POST", provider.token_endpoint, _Answer, data=asked, auth=own)
        return self._account(provider, self._claims(provider, answer.id_token, begun.nonce))

    def _claims(self, provider: _Provider, token: str, nonce: str) -> dict[str, Any]:
        """The claims of an ID token that is of this provider, for us, of now, and of this sign-in."""
        try:
            keys = KeySet.import_key_set(self._asked("GET", provider.jwks_uri, dict[str, Any]))
            claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
        except (JoseError, ValueError) as error:
            raise Unauthenticated(f"the provider's answer cannot be trusted: {type(error).__name__}") from None
        now, audience = self._clock.now() // SECOND, claims.get("aud")
        ours = self._settings.client_id in (audience if isinstance(audience, list) else [audience])
        party = claims.get("azp", self._settings.client_id)  # of several audiences, the one it was made for
        expires, issued = claims.get("exp"), claims.get("iat", now)
        wrong = (
            "issuer" * (claims.get("iss") != provider.issuer)
            or "audience" * (not ours or party != self._settings.client_id)
            or "nonce" * (not secrets.compare_digest(str(claims.get("nonce", "")), nonce))
            or "time" * (not isinstance(expires, int | float) or now > expires + LEEWAY_S)
            or "time" * (not isinstance(issued, int | float) or issued > now + LEEWAY_S)
            or "subject" * (not isinstance(claims.get("sub"), str) or not 1 <= len(claims["sub"]) <= 255)
        )
        if wrong:
            raise Unauthenticated(f"the provider's answer is not for this sign-in: its {wrong} does not fit")
        return claims

    def _account(self, provider: _Provider, claims: dict[str, Any]) -> Account:
        """What the claims say of name, role and party here."""
        settings = self._settings
        named = (claims.get(one) for one in (settings.name_claim, "preferred_username", "email", "sub"))
        name = str(next(one for one in named if one))
        groups, parties = _listed(claims.get(settings.role_claim)), _listed(claims.get(settings.party_claim))
        party = next((settings.parties[one] for one in parties if one in settings.parties), "")
        if settings.party_claim and not party and not settings.own & set(parties):
            raise Unauthenticated("your organisation is not known here; ask an administrator")
        roles = [Role(settings.roles[one]) for one in groups if one in settings.roles]
        role = None if party else max(roles, key=lambda one: one.rank, default=settings.role)
        return self._gate.federated.sign_in((provider.issuer, claims["sub"]), name, role, party)

    def _found(self) -> _Provider:
        """The provider as it describes itself; asked once. OpenID Connect Discovery 1.0, 4."""
        if self._provider is None:
            address = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            found = self._asked("GET", address, _Provider)
            if found.issuer.rstrip("/") != self._settings.issuer.rstrip("/"):
                raise InvalidInput(
                    f"{address} is of the issuer {found.issuer:.200}; correct the setting sign_in.issuer"
                )
            self._provider = found
        return self._provider

    def _asked(self, method: str, address: str, kind: type[Any], **body: Any) -> Any:
        try:
            with (
                httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client,
                client.stream(method, address, headers={"Accept": "application/json"}, **body) as answer,
            ):
                text = b""
                for part in answer.iter_bytes():
                    text += part
                    if len(text) > LARGEST:
                        raise Unauthenticated("the provider's answer is too long")
                if answer.status_code >= 500:
                    raise Overloaded("the sign-in provider has a fault; try again soon", retry_after_s=10.0)
                if answer.status_code != 200:
                    raise Unauthenticated(f"the provider refused ({answer.status_code}); begin again")
                return msgspec.json.decode(text, type=kind)
        except httpx.HTTPError as error:
            told = f"the sign-in provider at {urlsplit(address).netloc} cannot be reached ({type(error).__name__})"
            raise Overloaded(f"{told}; try again soon", retry_after_s=10.0) from None
        except msgspec.MsgspecError:
            raise Unauthenticated("the provider's answer cannot be read; look at the setting sign_in.issuer") from None


def _listed(claim: Any) -> list[str]:
    if isinstance(claim, list):
        return [str(one) for one in claim]
    return [] if claim is None else [str(claim)]
