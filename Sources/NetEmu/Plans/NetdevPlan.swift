// Back-ends as options describe them: checked values, nothing made yet. The command line and the
// monitor make the same plans.

/// A back-end that is to be made.
public struct NetdevPlan: Sendable {
    enum Wanted: Sendable {
        case backEnd(any NetdevKind)
        case hubPort(HubPortPlan)
    }

    /// The user's id, of legal form; nil when one is to be generated.
    public var id: String?
    let wanted: Wanted
    /// See `NetClient.isOption`.
    var isOption = false
    /// The option as typed, with which failures are told; nil from the monitor.
    public var location: String?

    init(id: String?, _ wanted: Wanted, location: String?) {
        self.id = id
        self.wanted = wanted
        self.location = location
    }

    /// nil for a hub port.
    var kind: (any NetdevKind)? { if case .backEnd(let kind) = wanted { kind } else { nil } }

    /// It works on the card's rings itself, in another process.
    public var worksOnRings: Bool { kind?.worksOnRings ?? false }
}
