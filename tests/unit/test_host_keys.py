"""Host keys, as consoles tell them."""

import base64
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from xenci.host.keys import host_keys_of_console


def blob(*parts: bytes) -> str:
    return base64.b64encode(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).decode()


ED = f"ssh-ed25519 {blob(b'ssh-ed25519', bytes(range(32)))}"
NEW_ED = f"ssh-ed25519 {blob(b'ssh-ed25519', bytes(range(1, 33)))}"
EC = f"ecdsa-sha2-nistp256 {blob(b'ecdsa-sha2-nistp256', b'nistp256', bytes(65))}"
RSA = f"ssh-rsa {blob(b'ssh-rsa', b'123', bytes(257))}"


def test_cloud_inits_block_is_read() -> None:
    console = (
        f"[   12.3] x\r\n-----BEGIN SSH HOST KEY KEYS-----\r\n{RSA} root@a\r\n{EC} root@a\r\n{ED} root@a\r\n-----END"
    )
    assert host_keys_of_console(console) == [ED, EC, RSA]


def test_the_console_of_a_real_server_tells_its_keys() -> None:
    console = (Path(__file__).parent.parent / "data" / "xen" / "lab-node-console.log").read_text()
    assert [key.split()[0] for key in host_keys_of_console(console)] == ["ssh-ed25519", "ecdsa-sha2-nistp256"]


def test_a_line_with_a_word_in_front_is_read() -> None:
    assert host_keys_of_console(f"instance-init: {ED}\r\ninstance-init: {EC}\r\nlogin: ") == [ED, EC]


def test_the_last_key_of_a_kind_wins_as_a_restored_machine_has_older_ones_in_front() -> None:
    assert host_keys_of_console(f"{ED} old\n{NEW_ED} new\n") == [NEW_ED]


def test_a_key_that_is_cut_does_not_count() -> None:
    for end in range(len(ED)):
        assert host_keys_of_console(ED[:end]) == []
    assert host_keys_of_console(f"{NEW_ED}\n{ED[:-3]}") == [NEW_ED]


def test_a_key_whose_blob_is_of_another_kind_does_not_count() -> None:
    assert host_keys_of_console(f"ssh-ed25519 {blob(b'ssh-dss', bytes(32))}") == []
    assert host_keys_of_console(f"ssh-ed25519 {blob(b'ssh-ed25519', bytes(31))}") == []
    assert host_keys_of_console(f"ssh-ed25519 {blob(b'ssh-ed25519', bytes(32), b'more')}") == []


@given(st.text(), st.text())
def test_whatever_is_around_a_key_it_is_found_or_nothing_is(before: str, after: str) -> None:
    assert host_keys_of_console(f"{before}\n{ED}\n{after}") == [ED]
    assert host_keys_of_console(before + after) == []
