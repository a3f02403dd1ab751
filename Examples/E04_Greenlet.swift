import Swiftlet

/// E4: greenlets say themselves whom to switch to, and pass a message along; the first one starts the body.
func greenlets() throws {
    var play: Greenlet<String>!

    let eat = Greenlet<String> { name in
        print("\(name) eat 1")
        try play.switch("egon")
        print("\(name) eat 2")
        try play.switch()
    }
    play = Greenlet<String> { name in
        print("\(name) play 1")
        try eat.switch()
        print("\(name) play 2")
    }

    try eat.switch("egon")
}
