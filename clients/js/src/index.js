export { connect, RelayClient } from './client.js';
export { RelayError } from './core.js';
export { Subscription } from './subscription.js';
