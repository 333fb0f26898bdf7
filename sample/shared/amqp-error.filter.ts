import { Catch, HttpException, HttpStatus, type ArgumentsHost } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { NoReceiverError, RemoteError, RequestTimeoutError } from 'leveret';
import { AmqpError, ConnectionLostError, PublishError } from 'leveret/amqp';

/**
 * What the broker, or who is asked over it, had against a request, as HTTP says it. The answer's `reason` is the name of
 * the error: UnroutableError, NackError, NotSentError, UnknownOutcomeError (it may have been done: repeat it under the same
 * id), NoReceiverError, ConnectionLostError, RequestTimeoutError.
 */
@Catch(AmqpError)
export class AmqpErrorFilter extends BaseExceptionFilter<Error> {
  override catch(error: AmqpError, host: ArgumentsHost): void {
    const status = statusOf(error);
    // Anything else is a mistake of ours, which Nest logs and answers with 500.
    super.catch(
      status === undefined ? error : new HttpException({ statusCode: status, reason: error.name }, status),
      host,
    );
  }
}

function statusOf(error: AmqpError): HttpStatus | undefined {
  if (error instanceof RequestTimeoutError) return HttpStatus.GATEWAY_TIMEOUT;
  if (error instanceof RemoteError) return HttpStatus.BAD_GATEWAY;
  const isUnavailable = [PublishError, NoReceiverError, ConnectionLostError].some((type) => error instanceof type);
  return isUnavailable ? HttpStatus.SERVICE_UNAVAILABLE : undefined;
}
