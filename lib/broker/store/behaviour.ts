/**
 * What differs between the versions of RabbitMQ that the broker can play.
 *
 * The one place that knows versions: everything else asks for a named behaviour.
 */

/** A version of RabbitMQ whose behaviour can be emulated. */
export type EmulatedVersion = '3.10' | '4.3';

export interface Behaviour {
  /** The version the broker reports in its server properties. */
  readonly reportedVersion: string;
  /** exchange.declare with an unknown type: closes the connection with 503 (3.10), or the channel with 406. */
  readonly unknownExchangeTypeClosesConnection: boolean;
  /** The least frame_max a client may ask for, in bytes. */
  readonly leastFrameMax: number;
  /** max_message_size in bytes; a larger body is 406. */
  readonly maximumMessageSize: number;
  /** Delivery limit of quorum queues that set none; undefined: no limit. */
  readonly defaultDeliveryLimit: number | undefined;
  /** An explicit nack or reject with requeue counts towards the delivery limit. */
  readonly requeueCountsAsDelivery: boolean;
  /** x-death headers that a client wrote are continued by the broker. */
  readonly readsClientDeaths: boolean;
  /** Dead letters carry x-last-death-* headers too. */
  readonly writesLastDeath: boolean;
  /** Refusals name the permission that is missing, as `write access to ...`. */
  readonly namesMissingPermission: boolean;
}

const behaviours: Record<EmulatedVersion, Behaviour> = {
  '3.10': {
    reportedVersion: '3.10.8',
    unknownExchangeTypeClosesConnection: true,
    leastFrameMax: 4096,
    maximumMessageSize: 128 * 1024 * 1024,
    defaultDeliveryLimit: undefined,
    requeueCountsAsDelivery: true,
    readsClientDeaths: true,
    writesLastDeath: false,
    namesMissingPermission: false,
  },
  '4.3': {
    reportedVersion: '4.3.0',
    unknownExchangeTypeClosesConnection: false,
    leastFrameMax: 8192,
    maximumMessageSize: 16 * 1024 * 1024,
    defaultDeliveryLimit: 20,
    requeueCountsAsDelivery: false,
    readsClientDeaths: false,
    writesLastDeath: true,
    namesMissingPermission: true,
  },
};

/** The versions that can be emulated. */
export const emulatedVersions = Object.keys(behaviours) as readonly EmulatedVersion[];

export function behaviourOf(version: EmulatedVersion): Behaviour {
  return behaviours[version];
}
