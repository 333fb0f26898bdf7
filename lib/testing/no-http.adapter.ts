/** Stands where a Nest application has its HTTP server: takes every route and serves none, and listens nowhere. */
import { AbstractHttpAdapter } from '@nestjs/core';

/** What routes and middleware are registered with: whatever is called does nothing. */
const nowhere: unknown = new Proxy({}, { get: () => () => undefined });

export class NoHttpAdapter extends AbstractHttpAdapter {
  constructor() {
    super(nowhere);
  }

  initHttpServer(): void {
    this.httpServer = nowhere;
  }

  getType(): string {
    return 'none';
  }

  createMiddlewareFactory(): () => void {
    return () => undefined;
  }

  applyVersionFilter(handler: (...values: unknown[]) => unknown): (...values: unknown[]) => () => unknown {
    return () => handler;
  }

  close(): void {}
  useStaticAssets(): void {}
  setViewEngine(): void {}
  getRequestHostname(): void {}
  getRequestMethod(): void {}
  getRequestUrl(): void {}
  status(): void {}
  reply(): void {}
  end(): void {}
  render(): void {}
  redirect(): void {}
  setErrorHandler(): void {}
  setNotFoundHandler(): void {}
  isHeadersSent(): void {}
  getHeader(): void {}
  setHeader(): void {}
  appendHeader(): void {}
  registerParserMiddleware(): void {}
  enableCors(): void {}
}
