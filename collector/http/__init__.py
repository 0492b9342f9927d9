"""What each HTTP request of ours needs: a way in, a way there, a deadline. Of no part."""
