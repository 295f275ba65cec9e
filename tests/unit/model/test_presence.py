from chat.model.presence import StatusChange, read_changes, write_changes


def test_changes_are_the_same_when_they_were_published():
    changes = [
        StatusChange("online", "ann", 1_700_000_000_000_001, "2026-01-31T12:00:00.000Z", 'A "n" ☃', ["r1", "r2"]),
        StatusChange("left", "bob", 2, "", "", []),
    ]
    assert read_changes(write_changes(changes)) == changes
