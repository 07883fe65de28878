/** True for a prime number: Envoy's Maglev tables must have such a size. */
export function isPrime(value: number): boolean {
  if (!Number.isSafeInteger(value) || value < 2) return false
  for (let divisor = 2; divisor * divisor <= value; divisor++) if (value % divisor === 0) return false
  return true
}
