import { after } from './core.js';

/** More than this without an empty line is no event. */
const LONGEST = 1 << 20;
/** The server sends a comment every 15 seconds. */
const SILENCE = 45_000;

/** An event stream as a link, read by `fetch`: as openSocket, but nothing can be sent, and `to.text` gets the event's id, too. */
export function openStream(url, headers, deadline, to) {
  const abort = new AbortController();
  let closed = false;
  let stop;
  const close = () => {
    closed = true;
    stop();
    abort.abort();
  };
  const failed = (code, reason) => {
    if (closed) return;
    close();
    to.closed(code, reason);
  };
  const wait = (limit) => {
    stop?.();
    stop = after(limit, () => failed(1006, 'no octets in time'));
  };
  wait(deadline);
  (async () => {
    const { ok, status, body } = await fetch(url, { headers: { accept: 'text/event-stream', ...headers }, signal: abort.signal });
    if (!ok) return failed(status === 401 ? 4401 : 1006, `HTTP status ${status}`);
    if (closed) return;
    to.opened();
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let text = '';
    while (!closed) {
      wait(SILENCE);
      const { done, value } = await reader.read();
      if (done) return failed(1006, 'the stream ended');
      text += decoder.decode(value, { stream: true });
      const events = text.split(/\r?\n\r?\n/);
      text = events.pop();
      if (text.length > LONGEST) return failed(1009, 'an event is too long');
      for (const event of events) {
        let data = '';
        let id;
        for (const line of event.split(/\r?\n/)) {
          if (line.startsWith('data:')) data += line.slice(5);
          else if (line.startsWith('id:')) id = line.slice(3).trim();
        }
        if (data && !closed) to.text(data, id);
      }
    }
  })().catch((error) => failed(1006, error.message));
  return { stream: true, close };
}
