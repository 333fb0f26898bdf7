/** The transport layer's face. */
export { memoryPair } from './memory.js';
export { streamTransport, type StreamTransportOptions } from './stream.js';
export { connectTcp, type TcpOptions, type TlsOptions } from './tcp.js';
export type { Endpoint, Transport, TransportFactory, TransportListener } from './transport.js';
