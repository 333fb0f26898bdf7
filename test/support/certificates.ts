/** Certificates for TLS tests: those that the test run made, or, for a single file run by hand, made on the spot. */
import { describe, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** See scripts/test-certificates.mjs for what each of them is. */
export type CertificateName = 'server' | 'wrong-host' | 'expired' | 'self-signed' | 'stranger' | 'client';

export interface Certificates {
  readonly ca: Buffer;
  pair(name: CertificateName): { cert: Buffer; key: Buffer };
  /** Path of a file, for instance `ca.pem`. */
  path(file: string): string;
}

const reason = 'needs certificates: the openssl program is missing (apt-get install openssl)';

/** A suite that needs certificates; where none can be made it is one skipped test that says so. */
export function describeWithCertificates(name: string, suite: (certificates: Certificates) => void): void {
  const certificates = certificatesOf(directory());
  describe(name, () => {
    if (certificates) suite(certificates);
    else test.skip(reason, () => undefined);
  });
}

/** A suite for the real broker's TLS listener, whose certificate is `server` and which knows the `ca` of `client`. */
export function describeOnRabbitmqTls(name: string, suite: (url: string, certificates: Certificates) => void): void {
  describe(`${name} (RabbitMQ, TLS)`, () => {
    const url = process.env['LEVERET_TEST_AMQPS_URL'] ?? '';
    const certificates = certificatesOf(process.env['LEVERET_TEST_TLS_DIRECTORY'] ?? '');
    if (url !== '' && certificates) suite(url, certificates);
    else test.skip('needs a RabbitMQ with a TLS listener: LEVERET_TEST_AMQPS_URL is not set', () => undefined);
  });
}

let made: string | undefined;

function directory(): string {
  const given = process.env['LEVERET_TEST_TLS_DIRECTORY'] ?? '';
  if (given !== '') return given;
  if (made === undefined) {
    made = mkdtempSync(join(tmpdir(), 'leveret-certificates-'));
    const own = made;
    process.once('exit', () => {
      rmSync(own, { recursive: true, force: true });
    });
    const { status } = spawnSync(process.execPath, ['scripts/test-certificates.mjs', made], {
      env: { PATH: process.env['PATH'] },
    });
    if (status !== 0) made = '';
  }
  return made;
}

function certificatesOf(folder: string): Certificates | undefined {
  if (folder === '') return undefined;
  const path = (file: string): string => join(folder, file);
  return {
    ca: readFileSync(path('ca.pem')),
    pair: (name) => ({ cert: readFileSync(path(`${name}.pem`)), key: readFileSync(path(`${name}.key`)) }),
    path,
  };
}
