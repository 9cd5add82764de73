// Which of passt's lines are no news.

import PasstLauncher
import Testing

@Suite("passt's chatter")
struct PasstChatterTests {
    @Test("what passt warns of at every start is no news; everything else is")
    func lines() {
        #expect(PasstChatter.isHarmless("Started as root, will change to nobody."))
        #expect(PasstChatter.isHarmless("No IPv6 nameserver available for NDP/DHCPv6"))
        #expect(!PasstChatter.isHarmless("Failed to bind port 80 (Permission denied) for option '-t 80', exiting"))
        #expect(!PasstChatter.isHarmless("Bad frame size from guest, resetting connection"))
    }
}
