"""Inside stays inside: no byte goes to an address that the policy forbids.

Names are resolved by a table (resolver.c), which may change while the dispatcher runs, and
which also writes down every connection that is begun. 127.0.0.2 plays the part of the world
outside, by an exception of the policy for it alone; 127.0.0.3 is inside.
"""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from apart import Apart
from evil import Evil, Peer, agree, context_of, listen

pytestmark = pytest.mark.hostile("S")

Serve = Callable[..., Evil]

OUTSIDE, INSIDE = "127.0.0.2", "127.0.0.3"
NAMES = ("good.example", "bad.example", "*.nip.example", "localhost", "*.localhost")


class Network:
    """Names, certificates for them, and who was connected to."""

    def __init__(self, folder: Path, preload: str) -> None:
        self._hosts, self._connects = folder / "hosts", folder / "connects"
        self._answers: dict[str, str] = {}
        authority = trustme.CA()
        self.ca_pem = authority.cert_pem.bytes()
        leaf = authority.issue_cert("*.hooks.example")
        self.tls = context_of(leaf.private_key_and_cert_chain_pem.bytes())
        self.environ = {
            "LD_PRELOAD": preload,
            "WHS_HOSTS": str(self._hosts),
            "WHS_CONNECTS": str(self._connects),
        }

    def name(self, answer: str) -> str:
        """A name that was never looked up before, and now resolves to this."""
        host = f"host{len(self._answers)}.hooks.example"
        self.resolve(host, answer)
        return host

    def resolve(self, host: str, answer: str) -> None:
        """From now on; the table changes in one step."""
        self._answers[host] = answer
        new = self._hosts.with_suffix(".new")
        new.write_text("".join(f"{name} {text}\n" for name, text in self._answers.items()))
        new.rename(self._hosts)

    def apart(self, *, allow: tuple[str, ...] = (f"{OUTSIDE}/32",), **settings: Any) -> Apart:
        environ = self.environ | settings.pop("environ", {})
        return Apart(ca_pem=self.ca_pem, environ=environ, allow=allow, **settings)

    @property
    def connected(self) -> list[str]:
        """Addresses, once for each connection that was begun in this test."""
        if not self._connects.exists():
            return []
        return [line.split()[0] for line in self._connects.read_text().splitlines()]

    def forget_connections(self) -> None:
        self._connects.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def lasting_network(tmp_path_factory: pytest.TempPathFactory, preload: str) -> Network:
    return Network(tmp_path_factory.mktemp("network"), preload)


@pytest.fixture
def network(lasting_network: Network) -> Network:
    lasting_network.forget_connections()
    return lasting_network


@pytest.fixture(scope="module")
def apart(lasting_network: Network) -> Iterator[Apart]:
    """Shared, because a process takes its time; names never are."""
    with lasting_network.apart() as started:
        yield started


@pytest.fixture
def outside(serve: Serve, network: Network) -> Evil:
    return serve(agree, tls=network.tls, address=OUTSIDE)


@pytest.fixture
def inside(serve: Serve, outside: Evil) -> Evil:
    """A listener at the forbidden address, with the port of the one outside."""
    return serve(listen, plain=True, address=INSIDE, port=outside.port)


def test_the_allowed_address_is_reached(network: Network, outside: Evil, apart: Apart) -> None:
    assert apart.deliver(outside.url(host=network.name(OUTSIDE)))["outcome"] == "SUCCESS"
    assert network.connected == [OUTSIDE]
    assert len(outside.requests) == 1


BAD = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.0.0.3",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2620:4f:8000::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
GOOD = [
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "198.20.0.1",
    "223.255.255.255",
    "2001:200::1",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
]


def test_no_name_leads_to_an_address_inside(network: Network, apart: Apart) -> None:
    for address in BAD:
        delivered = apart.deliver(f"https://{network.name(address)}/")
        assert delivered["outcome"] == "BLOCKED_ADDRESS", address
    assert network.connected == [], "a connection to the inside was begun"


def test_addresses_of_the_world_are_connected_to(network: Network, apart: Apart) -> None:
    """Nothing leaves the machine: the witness refuses for them."""
    for address in GOOD:
        delivered = apart.deliver(f"https://{network.name(address)}/")
        assert delivered["outcome"] == "CONNECT_ERROR", address
    assert network.connected == GOOD


@pytest.mark.parametrize("port", [22, 25, 6379, 8_443, 65_535])
def test_the_port_makes_no_difference(port: int, network: Network, apart: Apart) -> None:
    host = network.name("169.254.169.254")
    assert apart.deliver(f"https://{host}:{port}/")["outcome"] == "BLOCKED_ADDRESS"
    assert network.connected == []


@pytest.mark.parametrize(
    "host",
    ["localhost", "a.localhost", "a.b.localhost", "LOCALHOST", "127.0.0.3", "127.0.0.1", "[::1]"],
)
def test_a_value_made_for_development_does_not_open_loopback(
    host: str, network: Network, inside: Evil, apart: Apart
) -> None:
    assert apart.deliver(inside.url(host=host))["outcome"] == "BLOCKED_ADDRESS"
    assert network.connected == []
    assert (inside.connections, inside.received) == (0, 0)


def test_the_machines_own_name_is_inside(network: Network, inside: Evil, apart: Apart) -> None:
    """However /etc/hosts spells it: what counts is where it leads."""
    own = {
        "this-machine": "127.0.1.1 172.17.0.2",
        "ip6-loopback": "::1",
        "metadata.google.internal": "169.254.169.254",
    }
    for name, answer in own.items():
        network.resolve(name, answer)
        assert apart.deliver(inside.url(host=name))["outcome"] == "BLOCKED_ADDRESS"
    assert network.connected == []


# --- Names that change their mind. ---


def test_a_name_that_moves_inside_is_not_followed(
    network: Network, outside: Evil, inside: Evil
) -> None:
    """Outside when it was subscribed and delivered to, inside at the next connection."""
    host = network.name(OUTSIDE)
    url = outside.url(host=host)
    with network.apart() as apart:
        assert apart.deliver(url, max_retries=3)["outcome"] == "SUCCESS"
        network.resolve(host, INSIDE)
        # The kept connection leads where it always did.
        assert apart.deliver(url)["outcome"] == "SUCCESS"
    with network.apart() as apart:
        assert apart.deliver(url)["outcome"] == "BLOCKED_ADDRESS"
    assert (inside.connections, inside.received) == (0, 0)
    assert network.connected == [OUTSIDE]
    assert len(outside.requests) == 2


def test_each_new_connection_is_judged_anew(
    network: Network, outside: Evil, inside: Evil, apart: Apart
) -> None:
    """Also while libcurl remembers a name: what it remembers is what was judged."""
    host = network.name(OUTSIDE)
    for _ in range(3):
        # A last permitted attempt takes a connection of its own.
        outcome = apart.deliver(outside.url(host=host), max_retries=0)["outcome"]
        assert outcome in ("SUCCESS", "BLOCKED_ADDRESS")
        network.resolve(host, INSIDE)
    assert set(network.connected) == {OUTSIDE}
    assert (inside.connections, inside.received) == (0, 0)


@pytest.mark.parametrize(
    "answer",
    [
        f"{INSIDE} {OUTSIDE}",
        f"10.0.0.1 {OUTSIDE}",
        f"::1 {OUTSIDE}",
        f"::ffff:{INSIDE} {OUTSIDE}",
    ],
)
def test_one_forbidden_address_in_an_answer_ends_the_attempt(
    answer: str, network: Network, outside: Evil, inside: Evil, apart: Apart
) -> None:
    delivered = apart.deliver(outside.url(host=network.name(answer)))
    assert delivered["outcome"] == "BLOCKED_ADDRESS"
    assert outside.connections == 0, "the next address was tried"
    assert network.connected == []
    assert (inside.connections, inside.received) == (0, 0)


def test_a_forbidden_address_behind_one_that_refuses_is_not_reached(
    network: Network, inside: Evil, apart: Apart
) -> None:
    delivered = apart.deliver(inside.url(host=network.name(f"8.8.8.8 {INSIDE}")))
    assert delivered["outcome"] == "BLOCKED_ADDRESS"
    assert set(network.connected) == {"8.8.8.8"}
    assert (inside.connections, inside.received) == (0, 0)


def test_an_answer_of_200_addresses_is_bounded(network: Network) -> None:
    inside = network.name(" ".join(f"10.0.4.{n}" for n in range(200)))
    outside = network.name(" ".join(f"8.8.4.{n}" for n in range(200)))
    with network.apart(connect_timeout_ms=3_000, total_timeout_ms=30_000) as apart:
        assert apart.deliver(f"https://{inside}/")["outcome"] == "BLOCKED_ADDRESS"
        assert network.connected == []
        delivered = apart.deliver(f"https://{outside}/")
    assert delivered["outcome"] in ("CONNECT_ERROR", "CONNECT_TIMEOUT")
    assert delivered["duration_ms"] < 10_000


@pytest.mark.parametrize("number", [socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_FAIL])
def test_a_name_that_is_not_found_is_said_so(number: int, network: Network, apart: Apart) -> None:
    host = network.name(f"fails {number}")
    assert apart.deliver(f"https://{host}/")["outcome"] == "DNS_ERROR"


def test_a_name_server_that_is_slow_ends_with_the_time_to_connect(network: Network) -> None:
    with network.apart(connect_timeout_ms=1_000, total_timeout_ms=20_000) as apart:
        delivered = apart.deliver(f"https://{network.name('after 8000')}/")
    assert delivered["outcome"] == "DNS_ERROR"
    assert delivered["duration_ms"] < 6_000


# --- Other ways around. ---


@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_to_the_inside_is_not_followed(
    status: int, network: Network, serve: Serve, apart: Apart
) -> None:
    inside = serve(listen, plain=True, address=INSIDE)
    places = (inside.url(host=network.name(INSIDE)), inside.url(host=INSIDE))

    def redirect(peer: Peer) -> None:
        peer.read_request()
        location = places[len(endpoint.requests) % 2].encode()
        peer.send(
            b"HTTP/1.1 %d Go\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % (status, location)
        )

    endpoint = serve(redirect, tls=network.tls, address=OUTSIDE)
    url = endpoint.url(host=network.name(OUTSIDE))
    for _ in places:
        delivered = apart.deliver(url)
        assert (delivered["outcome"], delivered["status"]) == ("REDIRECT", status)
    assert set(network.connected) == {OUTSIDE}
    assert (inside.connections, inside.received) == (0, 0)


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_proxies_of_the_environment_see_nothing(
    scheme: str, network: Network, outside: Evil, serve: Serve
) -> None:
    proxy = serve(listen, plain=True, address=OUTSIDE)
    place = f"{scheme}://{OUTSIDE}:{proxy.port}"
    names = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    environ = dict.fromkeys(names, place) | {"no_proxy": "", "NO_PROXY": ""}
    with network.apart(environ=environ) as apart:
        good, bad = network.name(OUTSIDE), network.name(INSIDE)
        assert apart.deliver(outside.url(host=good))["outcome"] == "SUCCESS"
        assert apart.deliver(outside.url(host=bad))["outcome"] == "BLOCKED_ADDRESS"
    assert (proxy.connections, proxy.received) == (0, 0)


def test_a_netrc_file_adds_nothing(network: Network, outside: Evil, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("default login somebody password something\n")
    with network.apart(environ={"HOME": str(tmp_path)}) as apart:
        delivered = apart.deliver(outside.url(host=network.name(OUTSIDE)))
    assert delivered["outcome"] == "SUCCESS"
    assert outside.requests[0].headers["authorization"] is None


# --- What the operator opens. ---


@pytest.mark.parametrize(
    ("allow", "answers"),
    [
        ((f"{OUTSIDE}/32",), [OUTSIDE, f"::ffff:{OUTSIDE}"]),
        ((f"::ffff:{OUTSIDE}/128",), [OUTSIDE, f"::ffff:{OUTSIDE}"]),
        (("127.0.0.2/31",), [OUTSIDE]),
    ],
)
def test_the_list_opens_what_it_names(
    allow: tuple[str, ...], answers: list[str], network: Network, outside: Evil
) -> None:
    with network.apart(allow=allow) as apart:
        for answer in answers:
            url = outside.url(host=network.name(answer))
            assert apart.deliver(url)["outcome"] == "SUCCESS", answer
    assert len(outside.requests) == len(answers)


def test_the_list_opens_nothing_else(network: Network, outside: Evil) -> None:
    neighbours = ("127.0.0.0/31", "127.0.0.3/32", "::/0", "10.1.2.3/32", "172.16.0.0/12")
    with network.apart(allow=neighbours) as apart:
        for answer in (
            OUTSIDE,
            "10.1.2.4",
            "169.254.169.254",
            "168.63.129.16",
            "172.15.0.1 10.1.2.2",
        ):
            url = outside.url(host=network.name(answer))
            assert apart.deliver(url)["outcome"] == "BLOCKED_ADDRESS", answer
    assert outside.connections == 0
    assert set(network.connected) <= {"172.15.0.1"}


def test_our_own_public_address_is_closed_where_the_operator_names_it(
    network: Network, outside: Evil
) -> None:
    """A subscription to ourselves would make us answer our own notifications."""
    with network.apart(allow=("127.0.0.0/30",), deny=(f"{OUTSIDE}/32",)) as apart:
        for answer in (OUTSIDE, f"::ffff:{OUTSIDE}", f"127.0.0.1 {OUTSIDE}"):
            url = outside.url(host=network.name(answer))
            assert apart.deliver(url)["outcome"] == "BLOCKED_ADDRESS", answer
    assert OUTSIDE not in network.connected
    assert outside.connections == 0


def test_behind_a_nat64_only_what_is_outside_in_ipv4_is_connected_to(network: Network) -> None:
    """The witness refuses for the world."""
    with network.apart(nat64=("64:ff9b::/96",)) as apart:
        for inside in ("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1", "64:ff9b:1::1"):
            url = f"https://{network.name(inside)}/"
            assert apart.deliver(url)["outcome"] == "BLOCKED_ADDRESS", inside
        assert network.connected == []
        url = f"https://{network.name('64:ff9b::808:808')}/"
        assert apart.deliver(url)["outcome"] == "CONNECT_ERROR"
    assert network.connected == ["64:ff9b::808:808"]


def test_what_is_no_nat64_prefix_is_refused_at_the_start(network: Network) -> None:
    with pytest.raises(RuntimeError, match="nat64 must hold at most 4 NAT64 prefixes"):
        network.apart(nat64=("64:ff9b::/95",))


@pytest.mark.parametrize(("address", "leads_to"), [("0.0.0.0", "127.0.0.1"), ("::", "::1")])
def test_an_allowed_address_that_leads_elsewhere_carries_no_request(
    address: str, leads_to: str, network: Network, serve: Serve
) -> None:
    """The system connects 0.0.0.0 to loopback: who answers is judged besides who was meant."""
    try:
        endpoint = serve(agree, tls=network.tls, address=leads_to)
    except OSError:
        pytest.skip(f"this machine has no {leads_to}")
    with network.apart(allow=(f"{address}/{128 if ':' in address else 32}",)) as apart:
        delivered = apart.deliver(endpoint.url(host=network.name(address)))
    assert delivered["outcome"] == "BLOCKED_ADDRESS"
    assert endpoint.requests == []


def test_a_kept_connection_is_used_again_without_another_lookup(
    network: Network, outside: Evil, apart: Apart
) -> None:
    """It leads only to the address that was judged when it was opened."""
    url = outside.url(host=network.name(OUTSIDE))
    for _ in range(3):
        assert apart.deliver(url, max_retries=3)["outcome"] == "SUCCESS"
    assert (len(outside.requests), outside.connections) == (3, 1)
    assert network.connected == [OUTSIDE]
