"""How a cost grows: what follows from figures at several sizes, computed and put in words."""

import math

# A cost that is flat may grow by a quarter for ten times as much, which is what caches and spreads do; its exponent is then 0.1.
FLAT = 0.1
# Of a linear cost all points lie so near to a line; or the last step is at most so much dearer, for each, than those before it.
NEAR = 0.25
STEEPER = 1.5


def told(points, aim, unit="µs", each="each", per=1):
    """What `points`, pairs of size and cost, say of the aim `flat` or `linear`: its figures, whether it `holds`, and a sentence.

    A slope is told for `per` of what is counted, which `each` names.
    """
    points = sorted((size, cost) for size, cost in points if cost is not None and cost > 0)
    if len(points) < 2:
        return None
    (first, before), (last, after) = points[0], points[-1]
    exponent = least_squares([(math.log(size), math.log(cost)) for size, cost in points])[1]
    found = {"aim": aim, "from": first, "to": last, "first": before, "last": after, "times": after / before, "exponent": exponent}
    if aim == "flat":
        # What is shared among more is cheaper for each: a cost may fall, and that is told.
        low = min(cost for _, cost in points)
        found["holds"] = exponent <= FLAT
        word = "grows" if exponent > FLAT else "falls" if exponent < -FLAT else "flat"
        found["statement"] = f"{word}: {number(before)} to {number(after)} {unit}, × {after / before:.2f}, least {number(low)}; × {10 ** exponent:.2f} for ten times as many"
        return found
    # Relative errors count, so that the small ones are not lost beside the large.
    base, slope = least_squares(points, [1 / cost**2 for _, cost in points])
    off = max(abs(base + slope * size - cost) / cost for size, cost in points)
    found.update(base=base, slope=slope, off=off, steeper=steeper(points))
    found["holds"] = off <= NEAR or found["steeper"] <= STEEPER
    word = "linear" if found["holds"] else "more than linear"
    found["statement"] = (
        f"{word}: {number(base)} {unit} and {number(slope * per)} for {each}, at most {off:.0%} off; the last step × {found['steeper']:.2f} of the slope before it"
    )
    return found


def steeper(points):
    """How much dearer each is in the last step than between the first point and that step."""
    if len(points) < 3:
        return 1.0
    (first, low), (middle, before), (last, after) = points[0], points[-2], points[-1]
    slope = (before - low) / (middle - first)
    # Where nothing was seen to grow before, the whole figure is what may grow.
    slope = max(slope, 0.1 * before / middle)
    return (after - before) / (last - middle) / slope


def least_squares(points, weights=None):
    """The line (a, b) of a + b x that is nearest."""
    weights = weights or [1] * len(points)
    total = sum(weights)
    x = sum(weight * x for weight, (x, _) in zip(weights, points)) / total
    y = sum(weight * y for weight, (_, y) in zip(weights, points)) / total
    spread = sum(weight * (at - x) ** 2 for weight, (at, _) in zip(weights, points))
    slope = sum(weight * (at - x) * (of - y) for weight, (at, of) in zip(weights, points)) / spread if spread else 0.0
    return y - slope * x, slope


def number(value):
    """With three digits that mean something, or all of a large one."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"
