/**
 * How often what may work later is tried again, and after how many milliseconds; a copy waits on the broker meanwhile. Short,
 * so that the sample is: a shop of yours rather says `{ attempts: 10, delay: 'exponential' }`.
 */
export const retry = { attempts: 10, delay: [150, 300, 600] };
