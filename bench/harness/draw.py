"""Pictures of results: bars, and lines over a logarithmic scale. Readable on white and on black."""

import html
import math

from . import report
from .slope import number

LABEL, BAR, VALUE, LINE = 150, 440, 90, 19
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#24292f}.t{font-weight:600;font-size:14px}.c{font-weight:600}.o{fill:#8b98a5}.w{fill:#d9480f}"
    ".s{stroke:#24292f;stroke-width:1}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.o{fill:#6e7b88}.s{stroke:#e6edf3}}"
)
LINES = (
    STYLE + ".g{stroke:#8b98a5;stroke-width:.5;opacity:.6}.l{fill:none;stroke-width:1.5}.m{text-anchor:middle}.e{text-anchor:end}"
)
# The first is wireline's.
COLOURS = ("#d9480f", "#1c7ed6", "#2b8a3e", "#9c36b5", "#868e96", "#e67700", "#0c8599", "#c2255c")


def figures(told, case, server, key):
    """The figure of each round."""
    rows = [row for rounds in told["rounds_measured"] for row in rounds if row["case"] == case and row["server"] == server]
    return [row[key] for row in rows if row.get(key) is not None]


def bars(title, unit, groups):
    """`groups` are pairs of words and of servers with the values of their rounds."""
    parts, at = [heading(f"{title}, {unit}")], 30
    for words, known in groups:
        if len(groups) > 1:
            at += 8
            parts.append(f'<text class="c" x="0" y="{at + 12}">{html.escape(words)}</text>')
            at += LINE
        # A round that was disturbed must not make all bars short: its line ends at the edge.
        most = 1.2 * max(report.median(values) for _, values in known)
        for server, values in known:
            middle, scale, largest = report.median(values), BAR / most, min(max(values), most)
            parts.append(f'<text x="{LABEL - 8}" y="{at + 13}" text-anchor="end">{html.escape(server)}</text>')
            parts.append(f'<rect class="{"w" if server.startswith("wireline") else "o"}" x="{LABEL}" y="{at + 3}" width="{max(1, middle * scale):.1f}" height="13"/>')
            if max(values) > min(values):
                parts.append(f'<line class="s" x1="{LABEL + min(values) * scale:.1f}" x2="{LABEL + largest * scale:.1f}" y1="{at + 9.5}" y2="{at + 9.5}"/>')
            parts.append(f'<text x="{LABEL + largest * scale + 6:.1f}" y="{at + 13}">{at_the_end(middle)}</text>')
            at += LINE
    return picture(title, LABEL + BAR + VALUE, at + 8, STYLE, parts)


def at_the_end(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


WIDTH, HEIGHT, LEFT, RIGHT = 330, 150, 60, 20


def lines(title, panels):
    """`panels`, two in a row, are words, a unit, and by its name the points of each line; x is logarithmic, and y where it spans more than a decade."""
    names = sorted(dict.fromkeys(name for _, _, of in panels for name in of), key=lambda name: not name.startswith("wireline"))
    colours = {name: COLOURS[at % len(COLOURS)] for at, name in enumerate(names)}
    parts, at = [heading(title)], 0
    for name in names if len(names) > 1 else []:
        parts.append(f'<rect x="{at}" y="26" width="10" height="10" fill="{colours[name]}"/><text x="{at + 14}" y="35">{html.escape(name)}</text>')
        at += 28 + 7 * len(name)
    top = 50 if len(names) > 1 else 30
    for place, (words, unit, of) in enumerate(panels):
        x, y = place % 2 * (LEFT + WIDTH + RIGHT), top + place // 2 * (HEIGHT + 62)
        parts.append(f'<text class="c" x="{x}" y="{y + 12}">{html.escape(words)}, {unit}</text>')
        parts += panel(x + LEFT, y + 24, of, colours)
    rows = (len(panels) + 1) // 2
    return picture(title, 2 * (LEFT + WIDTH + RIGHT), top + rows * (HEIGHT + 62), LINES, parts)


def panel(left, top, of, colours):
    points = [point for line in of.values() for point in line]
    low, high = min(x for x, _ in points), max(x for x, _ in points)
    least, most = min(y for _, y in points), 1.1 * max(y for _, y in points)
    is_log = least > 0 and most / least > 20
    across = lambda x: left + WIDTH * (math.log(x / low) / math.log(high / low) if high > low else 0.5)
    share = (lambda y: math.log(y / least) / math.log(most / least)) if is_log else (lambda y: y / most)
    up = lambda y: top + HEIGHT * (1 - share(y))
    parts = []
    for tick in ticks(least, most, is_log):
        parts.append(f'<line class="g" x1="{left}" x2="{left + WIDTH}" y1="{up(tick):.1f}" y2="{up(tick):.1f}"/>')
        parts.append(f'<text class="e" x="{left - 5}" y="{up(tick) + 4:.1f}">{short(tick)}</text>')
    for x in sorted({x for x, _ in points}):
        parts.append(f'<text class="m" x="{across(x):.1f}" y="{top + HEIGHT + 16}">{short(x)}</text>')
    for name, line in of.items():
        drawn = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in sorted(line))
        parts.append(f'<polyline class="l" stroke="{colours[name]}" points="{drawn}"/>')
        parts += [f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="2.5" fill="{colours[name]}"/>' for x, y in line]
    return parts


def ticks(least, most, is_log):
    if is_log:
        powers = range(math.ceil(math.log10(least)), math.floor(math.log10(most)) + 1)
        return [10.0**power for power in list(powers)[:: max(1, len(powers) // 5)]]
    step = 10.0 ** math.floor(math.log10(most / 2))
    step *= next(times for times in (1, 2, 5, 10) if most / (step * times) <= 5)
    return [step * at for at in range(int(most / step) + 1)]


def short(value):
    for size, letter in ((1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")):
        if value >= size and value % size == 0 and value == int(value):
            return f"{value / size:.0f} {letter}"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}" if value >= 1 or value == 0 else number(value)


def heading(text):
    return f'<text class="t" x="0" y="16">{html.escape(text)}</text>'


def picture(title, width, height, style, parts):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(title)}">'
        f"<style>{style}</style>{''.join(parts)}</svg>\n"
    )
