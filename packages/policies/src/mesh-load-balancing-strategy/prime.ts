/** The smallest prime number that is not below a positive whole number: Envoy's Maglev tables must have such a size. */
export function primeFrom(value: number): number {
  let candidate = Math.max(2, value)
  while (!isPrime(candidate)) candidate++
  return candidate
}

function isPrime(value: number): boolean {
  for (let divisor = 2; divisor * divisor <= value; divisor++) if (value % divisor === 0) return false
  return true
}
