"""A city that nobody keeps leaves nothing behind, wherever its database lay."""

from cityloom.kernel.postgres import Server, passing_folder


def test_the_cluster_of_a_city_that_is_not_kept_goes_with_its_folder() -> None:
    with passing_folder("cityloom-test-") as folder:
        server = Server(folder / "home")
        server.start()
        process = server.process
        assert (server.data / "PG_VERSION").exists()
    assert not folder.exists()
    assert not server.state.exists()
    assert process is not None
    assert process.wait(10) is not None
    server.stop()  # gives its lock back
