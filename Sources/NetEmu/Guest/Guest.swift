// What is behind the cards, as the wiring sees it.

/// A guest: somebody who drives the cards.
protocol Guest: AnyObject {
    /// A card appears.
    func attach(_ card: NetworkCard)
    /// A card is to go; `done` when the guest has let go of it, which a stopped guest does only when it goes on.
    func detach(_ card: NetworkCard, done: @escaping () -> Void)
    /// Runs from now on, or again.
    func resume()
    /// Stands still; nothing it owns moves.
    func pause()
    /// Begins anew, with the same cards.
    func reset()
    /// The program ends: connections are closed, and reset where that takes longer than `patience` nanoseconds;
    /// `done` when everything has been said, a little later at the latest. Once.
    func end(within patience: UInt64, done: @escaping () -> Void)
}

/// Nobody.
final class NoGuest: Guest {
    func attach(_ card: NetworkCard) {}
    func detach(_ card: NetworkCard, done: @escaping () -> Void) { done() }
    func resume() {}
    func pause() {}
    func reset() {}
    func end(within patience: UInt64, done: @escaping () -> Void) { done() }
}
