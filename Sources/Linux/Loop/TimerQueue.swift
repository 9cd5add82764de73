// The reactor's timers: a binary heap of deadlines over a table of actions. Cancelling empties the
// table's row; the heap's entry of an empty row is dropped when it comes up, or when such entries
// are the majority. No clock here.

/// Names a pending timer until it fires or is cancelled.
public struct TimerID: Hashable, Sendable {
    let row: UInt32
    let generation: UInt32
}

/// Timers in the order of their deadlines; equal deadlines in the order of their creation.
struct TimerQueue {
    private struct Row {
        var generation: UInt32 = 0
        var action: (() -> Void)?
    }

    private struct Entry {
        let deadline: UInt64
        let serial: UInt64
        let id: TimerID

        func precedes(_ other: Entry) -> Bool { (deadline, serial) < (other.deadline, other.serial) }
    }

    private var rows: [Row] = []
    private var free: [UInt32] = []
    private var heap: [Entry] = []
    private var nextSerial: UInt64 = 0

    /// How many are pending.
    var count: Int { rows.count - free.count }

    /// The earliest deadline.
    var nextDeadline: UInt64? { heap.first?.deadline }

    mutating func add(deadline: UInt64, _ action: @escaping () -> Void) -> TimerID {
        let row = free.popLast() ?? UInt32(rows.count)
        if row == rows.count { rows.append(Row()) }
        rows[Int(row)].action = action
        let id = TimerID(row: row, generation: rows[Int(row)].generation)
        heap.append(Entry(deadline: deadline, serial: nextSerial, id: id))
        nextSerial &+= 1
        siftUp(heap.count - 1)
        return id
    }

    /// Ends a timer and gives its action; nil when it has fired or was cancelled.
    mutating func take(_ id: TimerID) -> (() -> Void)? {
        guard isPending(id), let action = rows[Int(id.row)].action else { return nil }
        rows[Int(id.row)].action = nil
        rows[Int(id.row)].generation &+= 1
        free.append(id.row)
        dropStale()
        return action
    }

    /// Moves the names of all timers that are due at `now` to `due`, earliest first; `take` each to fire it.
    mutating func popDue(at now: UInt64, into due: inout [TimerID]) {
        while let first = heap.first, first.deadline <= now {
            if isPending(first.id) { due.append(first.id) }
            removeFirst()
        }
    }

    private func isPending(_ id: TimerID) -> Bool {
        Int(id.row) < rows.count && rows[Int(id.row)].generation == id.generation && rows[Int(id.row)].action != nil
    }

    /// A cancelled timer at the top must not wake anybody; many cancelled ones must not be kept.
    private mutating func dropStale() {
        while let first = heap.first, !isPending(first.id) { removeFirst() }
        guard heap.count > 2 * count + 64 else { return }
        heap = heap.filter { isPending($0.id) }
        for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { siftDown(index) }
    }

    private mutating func removeFirst() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        siftDown(0)
    }

    private mutating func siftUp(_ start: Int) {
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            guard heap[index].precedes(heap[parent]) else { return }
            heap.swapAt(index, parent)
            index = parent
        }
    }

    private mutating func siftDown(_ start: Int) {
        var index = start
        while true {
            var smallest = index
            for child in (2 * index + 1)...(2 * index + 2)
            where child < heap.count && heap[child].precedes(heap[smallest]) { smallest = child }
            guard smallest != index else { return }
            heap.swapAt(index, smallest)
            index = smallest
        }
    }
}
