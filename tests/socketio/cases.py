"""Cases and how they run: many at once, each with a ceiling in time."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable

from wire import Failure, Gone, Server

Case = Callable[[Server], Awaitable[None]]

# Seconds for one case, unless it names another number.
CEILING = 20


class Suite:
    """The cases of one module, in their order."""

    def __init__(self, name: str, path: str, at_once: int = 12) -> None:
        self.name, self.path, self.at_once = name, path, at_once
        self.cases: list[tuple[str, Case, float, bool]] = []

    def case(self, name: str, ceiling: float = CEILING, beyond: bool = False) -> Callable[[Case], Case]:
        """`beyond`: what the servers of npm do not keep, and ours does."""

        def add(function: Case) -> Case:
            self.cases.append((name, function, ceiling, beyond))
            return function

        return add

    async def run(self, server: Server, only: str = "", reference: bool = False) -> tuple[int, int]:
        """How many held and how many did not; each that did not is printed. The reference is not asked what it does not keep."""
        turns = asyncio.Semaphore(self.at_once)
        chosen = [case[:3] for case in self.cases if only in case[0] and not (reference and case[3])]
        begin = time.monotonic()
        failures = await asyncio.gather(*(self._one(*case, server.at(self.path), turns) for case in chosen))
        failed = sum(failures)
        print(f"{self.name}: {len(chosen) - failed} held, {failed} did not, {time.monotonic() - begin:.1f} s", flush=True)
        return len(chosen) - failed, failed

    async def _one(self, name: str, function: Case, ceiling: float, server: Server, turns: asyncio.Semaphore) -> bool:
        async with turns:
            try:
                await asyncio.wait_for(function(server), ceiling)
            except Failure as failure:
                why = str(failure)
            except Gone as gone:
                why = f"the server closed ({gone})\n{where(gone)}"
            except TimeoutError as error:
                why = f"nothing came in time\n{where(error)}"
            except Exception:  # whatever else goes wrong is a failed case, not the end of the run
                why = traceback.format_exc().rstrip()
            else:
                return False
            print(f"FAILED {self.name}: {name}: {why}", flush=True)
            return True


def where(error: BaseException) -> str:
    """The line of the case that it comes from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "socketio/" in frame.filename]
    return "\n".join(f"  {frame.filename.rpartition('/')[2]}:{frame.lineno}: {frame.line}" for frame in frames[-3:])
