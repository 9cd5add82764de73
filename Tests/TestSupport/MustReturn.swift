import Glibc

/// Runs `body`, which must hold nobody up. When it does, the process ends: no other way leads out of a call that waits for
/// ever. The time is that of the body alone: between many others a test waits minutes for its turn, and a limit of the
/// whole test would be over by then.
public func mustReturn<Result>(minutes: Int = 5, _ body: () throws -> Result) rethrows -> Result {
    let isOver = Guarded(false)
    onThread {
        for _ in 0..<minutes * 600 {
            if isOver.withLock({ $0 }) { return }
            usleep(100_000)
        }
        fatalError("a test that must not wait has waited for \(minutes) minutes")
    }
    defer { isOver.withLock { $0 = true } }
    return try body()
}
