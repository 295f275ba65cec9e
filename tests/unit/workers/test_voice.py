"""The stack's output: whole lines under the name of their part."""

from __future__ import annotations

import io
import json

from workers.voice import LONGEST_LINE, Lines, Voice


def test_text_lines_carry_the_name_of_their_part():
    stream = io.StringIO()
    voice = Voice("text", 6, stream)
    voice.pass_on("web", "hello")
    voice.say("ready")
    assert stream.getvalue() == "web    | hello\nready\n"


def test_json_lines_get_the_part_as_a_field_and_text_becomes_json():
    stream = io.StringIO()
    voice = Voice("json", 6, stream)
    voice.pass_on("web", '{"event": "joined"}')
    voice.pass_on("web", 'a "quoted" word')
    voice.say("ready")
    joined, word, ready = (json.loads(line) for line in stream.getvalue().splitlines())
    assert joined == {"part": "web", "event": "joined"}
    assert (word["part"], word["event"]) == ("web", 'a "quoted" word')
    assert (ready["part"], ready["event"]) == ("stack", "ready")


def test_it_goes_on_when_nobody_reads():
    class Gone(io.StringIO):
        tries = 0

        def write(self, _text: str) -> int:
            self.tries += 1
            raise BrokenPipeError

    stream = Gone()
    voice = Voice("text", 6, stream)
    voice.say("ready")
    voice.say("still here")
    assert stream.tries == 2


def test_pieces_become_lines_and_empty_ones_are_dropped():
    lines = Lines()
    assert lines.feed(b"on") == []
    assert lines.feed(b"e\n\n \ntwo\nthr") == ["one", "two"]
    assert lines.feed(b"ee\xff\n") == ["three\ufffd"]


def test_a_line_without_an_end_is_cut():
    lines = Lines()
    assert lines.feed(b"x" * (LONGEST_LINE + 1)) == ["x" * (LONGEST_LINE + 1)]
    assert lines.feed(b"y\n") == ["y"]
