// What a back-end has of the guest's connections when the guest moves to another netemu. The order is the migration's
// (NetEmu/Migration): the guest's cards stand still before `saveState`; at the destination the back-end is started by
// `prepareState` at the latest, and no card runs before `loadState` has answered.

/// A back-end's part of a guest that moves, as bytes that only another of its kind reads.
struct NetdevState: Equatable {
    /// As it goes over the wire and into files; empty: there is nothing of this guest.
    var bytes: [UInt8] = []
}

/// What became of a back-end's connections, for people.
struct ConnectionReport: Equatable {
    /// nil: nobody knows.
    var had: Int?
    var moved: Int?
    /// A line for each that was lost: its ends, and why.
    var lost: [String] = []
}

/// A back-end that keeps connections of the guest.
protocol MovingNetdev: Netdev {
    /// It hands its connections over in the mode that it is in: passt over vhost-user does, over a socket it does not
    /// (`keepsConnections`).
    var canMove: Bool { get }
    /// Set before `start`, which then only remembers: at the destination `prepareState` starts it, when the source's has
    /// let go of its ports. It counts as ready meanwhile.
    var isHeldForState: Bool { get set }
    /// Before the guest stops: what is known already to be lost, a sentence each
    /// ("…: no repair helper (CAP_NET_ADMIN …)").
    var expectedLosses: [String] { get }
    /// At the source, before the guest stops: what must be up for `saveState` (a repair helper that is connected);
    /// `done` in time, also when it could not be had. When the guest goes `elsewhere`, to another host or network
    /// namespace, what stands for its connections here stays silent until netemu ends: nobody puts them up here.
    func prepareToSave(elsewhere: Bool, _ done: @escaping () -> Void)
    /// At the source: the card stands still, nobody works on its rings. Gives the state once, within 20 s.
    func saveState(_ done: @escaping (Result<NetdevState, EmulationError>) -> Void)
    /// At the source, after `saveState`: the guest goes on here after all. Its card is resumed when `done` is called,
    /// with what cannot be had back (nil: everything is as before).
    func takeBack(_ state: NetdevState, _ done: @escaping (EmulationError?) -> Void)
    /// At the source: the guest runs elsewhere now; what still stands for it here goes (sockets that would answer
    /// for it).
    func forgetState()
    /// At the destination, when a source has come and its guest still runs: what can be there already before `prepareState`
    /// is made ready, so that the guest does not stand still for it; `done` when it is. An error refuses the guest.
    func prepareEarly(elsewhere: Bool, _ done: @escaping (EmulationError?) -> Void)
    /// At the destination, before COMMIT: everything is there that `loadState` needs, the back-end's process and
    /// helper included. An error refuses the guest.
    func prepareState(_ state: NetdevState, _ done: @escaping (EmulationError?) -> Void)
    /// At the destination: takes the state over. Connections may be lost; the guest starts in any case.
    func loadState(_ done: @escaping (ConnectionReport) -> Void)
}
