"""Compares what wireline made of a case with what the others made of it.

Three rules. Where wireline and another both accept a message, they must agree where it ends: whoever stands before the other in a chain of
proxies and servers would otherwise see requests that the other does not see (RFC 9112 section 11.2). A message that every other refuses, wireline
must not accept. And where the others close the connection, wireline must not go on (RFC 9112 section 9.6).

The end of a message shows in three ways: in the length of its content where a peer tells it, in the canary behind the case being answered or not, and
in what follows being refused.
"""

from differential.peers import End, Outcome


def disagreement(ours: Outcome, theirs: Outcome, all_others: list[Outcome]) -> str | None:
    """How two peers that both accepted a message place its end differently."""
    for place in range(max(len(ours.messages), len(theirs.messages)) + 1):
        one, other = _step(ours, place), _step(theirs, place)
        if isinstance(one, _Message) and isinstance(other, _Message):
            if one.length is not None and other.length is not None and one.length != other.length:
                return f"the content of message {place + 1} has {one.length} octets for wireline, {other.length} for the other"
        elif End.CANARY not in (one, other) or one is other:
            # Both have come to their end, or one has and is the stricter one.
            return None
        elif isinstance(one, _Message) or isinstance(other, _Message):
            return f"what the one answers as the canary is message {place + 1} to the other"
        elif _explained(ours, theirs, place, all_others):
            return None
        else:
            who, end = ("wireline", other) if one is End.CANARY else ("the other", one)
            return f"after {place} messages that both accept, {who} answers the canary and its counterpart {end.value}"
    return None


def accepted(outcome: Outcome) -> int:
    """The messages whose end the peer has seen."""
    count = len(outcome.messages)
    if count and outcome.messages[-1] is None and outcome.end in (End.WAITING, End.SILENT):
        # It answered before the message ended, and then waited for more of it or broke off.
        return count - 1
    return count


def alone(ours: Outcome, others: list[Outcome]) -> bool:
    """Whether wireline accepted a message that every other one refuses. A peer that has announced its close has no opinion on what follows."""
    place = accepted(ours)
    return place > 0 and all(accepted(other) < place and other.end not in (End.CLOSED, End.NO_OPINION) for other in others)


def goes_on(ours: Outcome, others: list[Outcome]) -> bool:
    """Whether wireline answers something behind a message after which another has announced its close, and none of the others goes on."""
    places = {len(other.messages) for other in others if other.end is End.CLOSED}
    if len(places) != 1:
        return False
    place = places.pop()
    if any(accepted(other) > place or other.end not in (End.CLOSED, End.REFUSED, End.SILENT) for other in others):
        return False
    # Who refuses what follows has read on as well.
    refuses = ours.end is End.REFUSED and not any(other.end is End.REFUSED and accepted(other) == place for other in others)
    return len(ours.messages) > place or (len(ours.messages) == place and (ours.end is End.CANARY or refuses))


def stricter(ours: Outcome, theirs: Outcome) -> bool:
    """Whether the other accepted a message that wireline refused."""
    return ours.end in (End.REFUSED, End.SILENT) and accepted(theirs) > accepted(ours)


class _Message:
    def __init__(self, length: int | None) -> None:
        self.length = length


def _step(outcome: Outcome, place: int) -> _Message | End:
    if place < len(outcome.messages):
        return _Message(outcome.messages[place])
    return outcome.end


def _explained(ours: Outcome, theirs: Outcome, place: int, all_others: list[Outcome]) -> bool:
    """Whether one peer may answer the canary behind `place` messages that both accept, and the other may not, although the messages end at the same place."""
    end = theirs.end if ours.end is End.CANARY else ours.end
    if place == 0 or end in (End.CLOSED, End.NO_OPINION):
        return True
    if end is End.SILENT:
        # An answer before the message had ended, then a close: the message was refused after all.
        return True
    if end is End.REFUSED:
        # An empty line between messages, a bare LF: refused by one, skipped by the other (RFC 9112 2.2). That the message before it ended at the same
        # place shows in the lengths of its content, or in those of a witness that went the same way as the peer that tells none.
        if _same_lengths(ours, theirs):
            return True
        return any(other.end is theirs.end and other is not theirs and _same_lengths(ours, other) for other in all_others)
    return False


def _same_lengths(one: Outcome, other: Outcome) -> bool:
    return None not in one.messages and one.messages == other.messages
