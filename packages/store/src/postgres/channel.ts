/** Every commit notifies this channel with its last number; a lease that is given back does with its name. */
export const changesChannel = 'weft_changes'
