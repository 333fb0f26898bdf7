export { NoReceiverError, RemoteError, RequestTimeoutError } from './errors.js';
