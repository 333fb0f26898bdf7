/**
 * The broker's TLS server: clients that finished their TLS handshake, and who they are by their certificate.
 *
 * Loaded only where TLS is served: Node takes its time for `node:tls`.
 */
import type { Server, Socket } from 'node:net';
import { createServer, type TlsOptions, type TLSSocket } from 'node:tls';
import { streamTransport } from '../amqp/transport/stream.js';
import type { ExternalLogin } from './serve/authentication.js';
import { certificateName, type CertificateLogin } from './serve/certificate-name.js';
import type { Arrival } from './serve/connection-session.js';

/** `loginFrom`: what of a certificate is the user's name. */
export function tlsListener(
  options: TlsOptions,
  loginFrom: CertificateLogin,
  accept: (arrival: Arrival) => void,
): Server {
  const server = createServer(options, (socket) => {
    socket.setNoDelay(true);
    const description = `${socket.remoteAddress ?? 'unknown'}:${String(socket.remotePort ?? 0)}`;
    accept({
      transport: streamTransport(socket, { description, isPrivate: true }),
      reset: resets(socket),
      external: options.requestCert === true ? loginOf(socket, loginFrom) : undefined,
    });
  });
  const resets = resetsBelow(server);
  return server;
}

function loginOf(socket: TLSSocket, loginFrom: CertificateLogin): ExternalLogin {
  const subject = (socket.authorized ? socket.getPeerX509Certificate() : undefined)?.subject;
  return { name: subject === undefined ? undefined : certificateName(subject, loginFrom) };
}

/** A TLS socket cannot be reset; the TCP socket that it is on can. They are told apart by the client's address. */
function resetsBelow(server: Server): (socket: Socket) => () => void {
  const below = new Map<string, Socket>();
  const addressOf = ({ remoteAddress = '', remotePort = 0 }: Socket): string =>
    `${remoteAddress} ${String(remotePort)}`;
  server.on('connection', (socket: Socket) => {
    const address = addressOf(socket);
    below.set(address, socket);
    socket.once('close', () => {
      if (below.get(address) === socket) below.delete(address);
    });
  });
  return (socket) => {
    const tcp = below.get(addressOf(socket));
    return () => {
      tcp?.resetAndDestroy();
      socket.destroy();
    };
  };
}
