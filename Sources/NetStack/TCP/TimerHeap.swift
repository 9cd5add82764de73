// The deadlines of all connections: a binary heap. A deadline that moves later is left where it is
// and looked at again when it comes up, so that a connection which sends and receives all the time
// does not touch the heap.

/// Slots ordered by when they want to be looked at.
struct TimerHeap {
    private struct Entry {
        var when: UInt64
        var slot: UInt32
    }

    private var entries: [Entry] = []
    /// For each slot one more than its place; 0: not in the heap.
    private var places: [Int32] = []

    var first: UInt64? { entries.first?.when }

    /// The slot whose time has come, taken out.
    mutating func popDue(_ now: UInt64) -> UInt32? {
        guard let first = entries.first, first.when <= now else { return nil }
        remove(first.slot)
        return first.slot
    }

    /// Makes sure that `slot` comes up at `when` or earlier.
    mutating func schedule(_ slot: UInt32, at when: UInt64) {
        let slotIndex = Int(slot)
        while places.count <= slotIndex { places.append(0) }
        let place = Int(places[slotIndex])
        if place == 0 {
            entries.append(Entry(when: when, slot: slot))
            places[slotIndex] = Int32(truncatingIfNeeded: entries.count)
            siftUp(entries.count &- 1)
        } else if when < entries[place &- 1].when {
            entries[place &- 1].when = when
            siftUp(place &- 1)
        }
    }

    mutating func remove(_ slot: UInt32) {
        guard Int(slot) < places.count, places[Int(slot)] != 0 else { return }
        let place = Int(places[Int(slot)]) &- 1
        places[Int(slot)] = 0
        let last = entries.removeLast()
        guard place < entries.count else { return }
        put(last, place)
        siftUp(place)
        siftDown(place)
    }

    private mutating func put(_ entry: Entry, _ place: Int) {
        entries[place] = entry
        places[Int(entry.slot)] = Int32(truncatingIfNeeded: place &+ 1)
    }

    private mutating func siftUp(_ start: Int) {
        var place = start
        let entry = entries[place]
        while place > 0 {
            let parent = (place &- 1) / 2
            guard entry.when < entries[parent].when else { break }
            put(entries[parent], place)
            place = parent
        }
        put(entry, place)
    }

    private mutating func siftDown(_ start: Int) {
        var place = start
        let entry = entries[place]
        while true {
            var child = 2 &* place &+ 1
            guard child < entries.count else { break }
            if child &+ 1 < entries.count, entries[child &+ 1].when < entries[child].when { child &+= 1 }
            guard entries[child].when < entry.when else { break }
            put(entries[child], place)
            place = child
        }
        put(entry, place)
    }
}
