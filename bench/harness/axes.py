"""What bench/growth measures, and what follows from its figures."""

from . import report, slope

MIB = 1 << 20
DECADES = (10, 100, 1_000, 10_000)
SIZES = (1, 1 << 10, 32 << 10, MIB, 32 * MIB, 1 << 30)
LENGTHS = (1, 1 << 10, 16 << 10, 64 << 10, 256 << 10, MIB, 4 * MIB, 16 * MIB)
COUNTS = (1_000, 5_000, 10_000, 20_000)


class Axis:
    def __init__(self, words, sizes, aim, case, *, figure="cpu_us", unit="µs", each="each", per=1):
        self.words, self.sizes, self.aim, self.case, self.figure, self.unit, self.each, self.per = words, sizes, aim, case, figure, unit, each, per


# `case` is what a server's `cases` call it.
AXES = {
    "connections": Axis("a request, as connections grow", DECADES, "flat", "plaintext"),
    "sockets": Axis("a message sent back, as WebSockets grow", DECADES, "flat", "ws"),
    "messages": Axis("a message sent back, as it grows", LENGTHS, "linear", "ws", each="each MiB", per=MIB),
    "subscribers": Axis("a delivery, as a topic's subscribers grow", DECADES, "flat", "fan"),
    "topics": Axis("a delivery, as topics grow", (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000), "flat", "topics"),
    "fields": Axis("a request, as its fields grow", (1, 2, 5, 10, 20, 50, 100), "linear", "plaintext", each="each field"),
    "upload": Axis("an upload, as its content grows", SIZES, "linear", "upload", each="each MiB", per=MIB),
    "download": Axis("a download, as its content grows", SIZES, "linear", "download", each="each MiB", per=MIB),
    "idle": Axis("an idle connection, as they grow", COUNTS, "flat", "idle", figure="bytes_per_connection", unit="octets"),
    "idle-ws": Axis("an idle WebSocket, as they grow", COUNTS, "flat", "idle-ws", figure="bytes_per_connection", unit="octets"),
    "idle-relay": Axis("an idle subscriber, as they grow", COUNTS, "flat", "idle-relay", figure="bytes_per_connection", unit="octets"),
    "subscriptions": Axis("a socket that waits, as its subscriptions grow", (1, 10, 50), "linear", "subscriptions", figure="bytes_per_connection", unit="octets", each="each further one"),
    "idle-sio": Axis("an idle socket of Socket.IO, as they grow", COUNTS, "flat", "idle-sio", figure="bytes_per_connection", unit="octets"),
}


def conclusions(rows):
    """For each axis and server what follows: from CPU or octets, and from instructions where they were counted."""
    lines = []
    for name, axis in AXES.items():
        for server in dict.fromkeys(row["server"] for row in rows):
            of = [row for row in rows if row["axis"] == name and row["server"] == server and "fault" not in row]
            for figure, unit in ((axis.figure, axis.unit), ("instructions", "instructions")):
                points = [(row["at"], value(row, figure)) for row in of]
                told = slope.told(points, axis.aim, unit, axis.each, axis.per)
                if told:
                    lines.append({"axis": name, "server": server, "by": figure, "commit": of[-1]["commit"], **told})
    return lines


def value(row, figure):
    """The median over the rounds, or what was counted once."""
    return row.get(figure) if figure == "instructions" else report.median([one.get(figure) for one in row["rounds"]])


BY = {"cpu_us": "server CPU", "instructions": "user instructions", "bytes_per_connection": "resident octets"}


def markdown(store, lines):
    """The statements, and the figures they follow from."""
    said = [[AXES[line["axis"]].words, line["server"], BY[line["by"]], line["aim"], "holds" if line["holds"] else "**does not hold**", line["statement"], line["commit"]] for line in lines]
    cells = []
    for row in sorted(store.rows(), key=lambda row: [*AXES].index(row["axis"])):
        axis = AXES[row["axis"]]
        figures = [one[axis.figure] for one in row["rounds"] if one.get(axis.figure) is not None]
        spread = report.spread(figures)
        grown = report.median([one.get("bytes_per_connection") for one in row["rounds"]]) if axis.figure == "cpu_us" else None
        cells.append([
            row["axis"], row["server"], f"{row['at']:,}", slope.number(report.median(figures)) if figures else None, axis.unit if figures else None,
            spread if spread is None else f"{spread:.0%}", f"{row['instructions']:,.0f}" if "instructions" in row else None,
            grown if grown is None else f"{grown:,.0f}", row["commit"], row.get("fault"),
        ])
    return (
        f"# How costs grow\n\n{store.around['date']}, {store.around['machine']}:\n\n    {store.around['command']}\n\n"
        "What should be flat may grow by a quarter for ten times as many; what should be linear lies within a quarter of a line, or its last step is at most half as dear again, for each, as those before it. bench/README.md "
        "says what is measured.\n\n"
        + report.table(["what", "server", "by", "aim", "", "statement", "commit"], said) + "\n"
        + report.table(["axis", "server", "at", "figure", "unit", "spread", "instructions", "peak grew by", "commit", ""], cells)
    )
