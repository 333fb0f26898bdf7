/** The transport layer's face. */
export { memoryPair } from './memory.js';
export { streamTransport, type StreamTransportOptions } from './stream.js';
export { connectTcp, type SocketOpener, type TcpOptions, type TcpTimeouts } from './tcp.js';
export { tlsOptionFaults, type TlsOptions } from './tls-options.js';
export type { Endpoint, Transport, TransportFactory, TransportListener } from './transport.js';
