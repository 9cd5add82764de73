// Threads for tests that wait for programs: many of those wait at once.

import Glibc

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Runs `body` on a thread of its own.
public func onThread(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let box = Unmanaged.passRetained(ThreadBody(body)).toOpaque()
    pthread_create(
        &thread, nil,
        { argument in
            if let argument { Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run() }
            return nil
        }, box)
    pthread_detach(thread)
}

/// What several threads take from and put into.
private final class WorkTable<Item: Sendable, Output: Sendable>: Sendable {
    private let state: Guarded<(next: Int, running: Int, outputs: [(Int, Output)])>
    let items: [Item]

    init(_ items: [Item], workers: Int) {
        self.items = items
        state = Guarded((0, workers, []))
    }

    func take() -> Int? {
        state.withLock { state in
            guard state.next < items.count else { return nil }
            defer { state.next += 1 }
            return state.next
        }
    }

    func put(_ number: Int, _ output: Output) { state.withLock { $0.outputs.append((number, output)) } }
    func leave() { state.withLock { $0.running -= 1 } }
    var isOver: Bool { state.withLock { $0.running == 0 } }
    var outputs: [Output] { state.withLock { $0.outputs.sorted { $0.0 < $1.0 }.map(\.1) } }
}

/// Works on `items` with so many threads, each of which makes its place once; returns what came of each, in their order.
/// - Parameters:
///   - makePlace: called on each thread; the place is given to `body` for one item after the other.
///   - body: the item, its number, and the place.
public func inParallel<Item: Sendable, Place, Output: Sendable>(
    _ workers: Int, over items: [Item], _ makePlace: @escaping @Sendable () -> Place,
    _ body: @escaping @Sendable (Item, Int, Place) -> Output
) -> [Output] {
    let table = WorkTable<Item, Output>(items, workers: workers)
    for _ in 0..<workers {
        onThread {
            let place = makePlace()
            while let number = table.take() { table.put(number, body(items[number], number, place)) }
            table.leave()
        }
    }
    while !table.isOver { usleep(5000) }
    return table.outputs
}
