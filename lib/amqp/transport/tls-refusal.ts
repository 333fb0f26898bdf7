/**
 * What TLS refused, in plain words.
 *
 * Node names certificate faults by OpenSSL's verification codes, and alerts of the peer by `ERR_SSL_...` codes whose
 * messages are addresses in OpenSSL's source. Neither tells a person what to do next.
 */
import { TlsError } from '../errors.js';

/** Verification of the peer's certificate (X509_V_ERR_*, and Node's own check of the host). */
const certificateFaults: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "the broker's certificate has expired",
  CERT_NOT_YET_VALID: "the broker's certificate is not valid yet (is this machine's clock right?)",
  CERT_REVOKED: "the broker's certificate was revoked",
  CERT_REJECTED: "the broker's certificate is not meant for this",
  CERT_UNTRUSTED: "the broker's certificate is not trusted",
  INVALID_PURPOSE: "the broker's certificate is not meant for a server",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the broker's certificate is self-signed and not among those trusted (tls.ca)",
  SELF_SIGNED_CERT_IN_CHAIN: "the broker's certificate leads to an authority that is not trusted (tls.ca)",
  UNABLE_TO_GET_ISSUER_CERT: "the broker's certificate leads to an authority that is not known (tls.ca)",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the broker's certificate is by an authority that is not known (tls.ca)",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "the broker's certificate is by an authority that is not known (tls.ca), or the broker does not send the chain to it",
  CERT_SIGNATURE_FAILURE: "the signature of the broker's certificate is wrong",
  CERT_CHAIN_TOO_LONG: "the chain of the broker's certificate is too long",
  PATH_LENGTH_EXCEEDED: "the chain of the broker's certificate is too long",
  INVALID_CA: "the chain of the broker's certificate holds one that may not sign others",
  HOSTNAME_MISMATCH: "the broker's certificate is for another host",
};

/** What the peer, or our own OpenSSL, says in the handshake. */
const handshakeFaults: Readonly<Record<string, string>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: 'the peer does not speak TLS: is this the plain port?',
  ERR_SSL_HTTP_REQUEST: 'the peer does not speak TLS: is this the plain port?',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'the peer does not speak TLS: is this the plain port?',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'the broker speaks none of the TLS versions that are allowed here',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'the broker speaks none of the TLS versions that are allowed here',
  ERR_SSL_TLSV1_ALERT_INSUFFICIENT_SECURITY: 'the broker wants a stronger TLS version or cipher than is offered',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'the broker wants a client certificate (tls.cert and tls.key)',
  // The same alert, as runtimes on BoringSSL call it.
  ERR_SSL_TLSV1_ALERT_CERTIFICATE_REQUIRED: 'the broker wants a client certificate (tls.cert and tls.key)',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'the broker does not know the authority of the client certificate',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: 'the broker says that the client certificate has expired',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED: 'the broker says that the client certificate was revoked',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: 'the broker does not accept the client certificate',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'the broker does not accept the client certificate',
  ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: 'the broker does not accept that kind of client certificate',
  ERR_SSL_TLSV1_ALERT_ACCESS_DENIED: 'the broker does not accept the client certificate',
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME: 'the broker does not know the host name that it was asked for (tls.servername)',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE:
    'the broker found no TLS version or cipher in common, or wants a client certificate (tls.cert and tls.key)',
};

/** The TlsError that an error of a TLS socket stands for; undefined where it is none of TLS's own. */
export function tlsRefusal(error: unknown, where: string): TlsError | undefined {
  const code = codeOf(error);
  if (code === undefined) return undefined;
  const text = explain(code, error as Error);
  return text === undefined ? undefined : new TlsError(`${where}: TLS: ${text} (${code})`, { cause: error });
}

function explain(code: string, error: Error & { reason?: unknown }): string | undefined {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `the broker's certificate is for another host: ${String(error.reason)}`;
  }
  const known = certificateFaults[code] ?? handshakeFaults[code];
  if (known !== undefined) return known;
  // An alert that we have no words for keeps OpenSSL's.
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')) {
    return typeof error.reason === 'string' ? error.reason : error.message;
  }
  return undefined;
}

/** Not by `instanceof`: an error of Node's own may come from another realm, as under Jest. */
function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
