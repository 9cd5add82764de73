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
}

/// Nobody.
final class NoGuest: Guest {
    func attach(_ card: NetworkCard) {}
    func detach(_ card: NetworkCard, done: @escaping () -> Void) { done() }
    func resume() {}
    func pause() {}
    func reset() {}
}
