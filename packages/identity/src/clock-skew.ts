/**
 * How far the clocks of who issues a certificate or a token and of who checks it may be apart, in milliseconds: what is issued is valid this long
 * before it is made. Kuma backdates certificates by 10 s and tokens by 5 s, and a replica whose clock is a minute ahead then issues what nobody
 * takes for a minute.
 */
export const toleratedSkewMs = 300_000
