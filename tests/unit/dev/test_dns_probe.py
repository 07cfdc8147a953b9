"""The probe believes only the answer to its own question."""

import ipaddress

from localcluster.dns_probe import answers_with, query

_ADDRESS = ipaddress.IPv4Address("10.96.0.1")
_NAME = "kubernetes.default.svc.cluster.local"


def _reply(identifier: int, answers: list[ipaddress.IPv4Address]) -> bytes:
    question = query(_NAME, identifier)
    header = question[:2] + b"\x85\x00" + question[4:6] + len(answers).to_bytes(2, "big") + bytes(4)
    records = (b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4" + answer.packed for answer in answers)
    return header + question[12:] + b"".join(records)


def test_a_question_is_in_the_form_that_dns_wants() -> None:
    assert query("a.bc", 0x1234) == b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0" + b"\1a\2bc\0" + b"\0\1\0\1"


def test_the_right_answer_counts() -> None:
    assert answers_with(_reply(7, [_ADDRESS]), 7, _ADDRESS)


def test_an_answer_to_another_question_does_not_count() -> None:
    assert not answers_with(_reply(8, [_ADDRESS]), 7, _ADDRESS)


def test_no_answer_and_a_torn_reply_do_not_count() -> None:
    assert not answers_with(_reply(7, []), 7, _ADDRESS)
    assert not answers_with(b"\0\7", 7, _ADDRESS)
