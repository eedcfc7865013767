import { after, noop } from './core.js';

/**
 * A WebSocket as a link: it says `to.opened()`, `to.text(text)` and, once, `to.closed(code, reason)`; after `close` it says nothing more.
 */
export function openSocket(WebSocket, url, protocols, deadline, to) {
  let socket;
  let stop = noop;
  const close = (dead) => {
    stop();
    if (!socket) return;
    // ws throws an error that nobody listens for.
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = noop;
    // Who does not answer does not answer the closing handshake either.
    if (dead && socket.terminate) socket.terminate();
    else socket.close(1000);
  };
  const failed = (reason) => {
    close(true);
    to.closed(1006, reason);
  };
  try {
    socket = new WebSocket(url, protocols);
    stop = after(deadline, () => failed('not open in time'));
    socket.onopen = () => {
      stop();
      to.opened();
    };
    socket.onmessage = ({ data }) => typeof data === 'string' && to.text(data);
    socket.onerror = noop;
    socket.onclose = ({ code, reason }) => {
      stop();
      to.closed(code, reason);
    };
  } catch (error) {
    // A URL or a protocol that is none, or a page that may not open it.
    stop = after(0, () => failed(error.message));
  }
  return { send: (text) => socket.send(text), close };
}
