// -guest none: cards that nobody drives.

/// `-guest none`.
struct NoGuestKind: GuestKind, Equatable {
    static let name = "none"
    static let usage = "none"
    static let keys = KeyTable(title: "none", rows: [])

    init(_ values: CheckedValues) {}
    func makeGuest(_ site: GuestSite) -> any Guest { NoGuest(site) }
}

/// Nobody. The cards are virtio cards without a driver: a back-end connects to them all the same.
private final class NoGuest: MovingGuest {
    private let site: GuestSite
    let console: (any GuestConsole)? = nil
    let output: (any GuestOutput)? = nil
    var onEvent: ((GuestEvent) -> Void)?

    init(_ site: GuestSite) { self.site = site }
    func plug(_ card: CardIdentity) throws(EmulationError) -> any CardDevice {
        try VirtioCard.make(card, memory: site.memory, on: site.reactor)
    }
    func unplug(_ device: any CardDevice, done: @escaping () -> Void) { done() }
    func resume() {}
    func pause(_ done: @escaping () -> Void) { done() }
    func reset() {}
    func end(within patience: UInt64, done: @escaping () -> Void) { done() }

    let kind = NoGuestKind.name
    func markWrites() {}
    func save() -> [UInt8] { [] }
    func restore(_ state: [UInt8]) throws(EmulationError) {
        guard state.isEmpty else { throw EmulationError(text: "the state of nobody has \(state.count) bytes") }
    }
}
