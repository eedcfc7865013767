// Node's http server as a parser to compare with: each request is answered, when it has ended, with its method, target and length of content.
// Limits are wider than wireline's, so that a difference is one of grammar.

import http from 'node:http';

const server = http.createServer({ maxHeaderSize: 256 * 1024, keepAliveTimeout: 60_000 }, (request, response) => {
  let length = 0;
  request.on('data', (block) => { length += block.length; });
  // Where nobody listens to 'upgrade', Node 20 answers the request and drops the octets that came behind it in the same read.
  const upgrade = /\bupgrade\b/i.test(request.headers.connection ?? '') && request.headers.upgrade !== undefined;
  request.on('end', () => response.end(JSON.stringify({ method: request.method, target: request.url, length, upgrade })));
  request.on('error', () => {});
});
server.maxRequestsPerSocket = 0;

// Node leaves the answer to CONNECT to the application, together with the connection.
server.on('connect', (request, socket) => {
  socket.on('error', () => {});
  socket.end('HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
});

server.listen({ host: '127.0.0.1', port: 0, backlog: 1024 }, () => {
  const { address, port } = server.address();
  console.log(`listening on ${address}:${port}`);
});
